// Values that the browser stores between visits. A browser may refuse to store
// anything. Then nothing is remembered after the page is closed.

// recall returns the stored value of a key, or otherwise if there is none.
export function recall(area, key, otherwise) {
  try {
    const text = area().getItem("ccomet:" + key);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

// remember stores a value, if the browser permits it.
export function remember(area, key, value) {
  try {
    area().setItem("ccomet:" + key, JSON.stringify(value));
  } catch {
    // The storage is full or forbidden.
  }
}

// The storage areas. They are functions because a browser may throw an exception
// when a page merely refers to one. browser is shared by all windows, tab belongs to
// one window.
export const browser = () => window.localStorage;
export const tab = () => window.sessionStorage;
