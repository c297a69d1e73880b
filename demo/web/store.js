// What is remembered between visits. A browser may refuse to keep anything:
// then it is remembered as long as the page is open.

export function recall(area, key, otherwise) {
  try {
    const text = area().getItem("ccomet:" + key);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function remember(area, key, value) {
  try {
    area().setItem("ccomet:" + key, JSON.stringify(value));
  } catch {
    // full, or forbidden
  }
}

// The areas are functions, because naming one may throw already.
export const browser = () => window.localStorage;
export const tab = () => window.sessionStorage;
