// A Sparkline draws readings over time as one line. Its vertical scale goes from
// zero to the largest reading. It is hidden from screen readers, because the page
// also shows the numbers.

const namespace = "http://www.w3.org/2000/svg";
const width = 300;
const height = 48;
const margin = 2; // so that no part of the line's width is cut off
const gap = 5000; // milliseconds; the line is interrupted if there was no reading for longer

export class Sparkline {
  constructor() {
    this.svg = document.createElementNS(namespace, "svg");
    this.line = document.createElementNS(namespace, "path");
    const ground = document.createElementNS(namespace, "path");
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.svg.classList.add("spark");
    ground.setAttribute("d", `M0 ${height - margin}H${width}`);
    ground.classList.add("ground");
    this.svg.append(ground, this.line);
  }

  // draw draws readings { at, value }, which are sorted by time, for the time between
  // from and to.
  draw(readings, from, to) {
    const most = readings.reduce((max, reading) => Math.max(max, reading.value), 0) || 1;
    let path = "";
    let last = -Infinity;
    for (const { at, value } of readings) {
      const x = ((width * (at - from)) / (to - from)).toFixed(1);
      const y = (height - margin - (value / most) * (height - 2 * margin)).toFixed(1);
      path += (at - last > gap ? "M" : "L") + x + " " + y;
      last = at;
    }
    this.line.setAttribute("d", path);
  }
}
