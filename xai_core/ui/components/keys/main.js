const PATIENCE = 4000; // ms: past this an answer is given up, or one failed script would leave the keyboard dead
const QUEUE = 8; // presses that may wait behind the one being answered

const TYPING = "input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable]";
const USES_ARROWS =
  "input[type=range], input[type=radio], [role=slider], [role=radiogroup], [role=listbox], [role=tablist], " +
  "[role=menu], [role=grid], [role=spinbutton], [role=application], [data-testid=stButtonGroup]";

const listeners = new WeakMap();

export default function ({ data: bytes, parentElement, setTriggerValue }) {
  const data = unpack(bytes);
  const keyboard = listeners.get(parentElement) ?? create(parentElement);
  keyboard.bindings = data.bindings;
  keyboard.root.host.setAttribute("aria-keyshortcuts", Object.keys(data.bindings).join(" "));
  keyboard.send = setTriggerValue;
  keyboard.turn += 1;
  answer(keyboard, data.answered);
  // Streamlit may run the clean-up of a superseded call after a newer call: that one must change nothing.
  const turn = keyboard.turn;
  return () => keyboard.turn === turn && remove(keyboard);
}

function create(root) {
  const keyboard = { root, turn: 0, answered: 0, waiting: null, queue: [], timer: null };
  keyboard.listener = (event) => hear(keyboard, event);
  document.addEventListener("keydown", keyboard.listener);
  listeners.set(root, keyboard);
  return keyboard;
}

function remove(keyboard) {
  document.removeEventListener("keydown", keyboard.listener);
  keyboard.root.host.removeAttribute("aria-keyshortcuts");
  clearTimeout(keyboard.timer);
  listeners.delete(keyboard.root);
}

function hear(keyboard, event) {
  const name = bound(keyboard.bindings, event.key);
  if (name === undefined || !meant(keyboard, event)) {
    return;
  }
  event.preventDefault();
  if (keyboard.waiting === null) {
    send(keyboard, name);
  } else if (!event.repeat && keyboard.queue.length < QUEUE) {
    keyboard.queue.push(name); // a press of its own is never lost; those of a key held down are
  }
}

function bound(bindings, key) {
  const found = [key, key.toLowerCase(), key.toUpperCase()].find((spelling) => Object.hasOwn(bindings, spelling));
  return found === undefined ? undefined : bindings[found];
}

/** Say whether a key is meant for the page, and not for the widget that has the focus. */
function meant(keyboard, event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) {
    return false;
  }
  const path = event.composedPath().filter((node) => node instanceof Element);
  if (path.some((node) => node.matches(TYPING))) {
    return false;
  }
  if (event.key.startsWith("Arrow") && path.some((node) => node.matches(USES_ARROWS))) {
    return false;
  }
  if ((event.key === "Enter" || event.key === " ") && path.some((node) => node.matches("button, a, [role=button]"))) {
    return false;
  }
  const dialog = document.querySelector("[data-testid=stDialog]");
  return !dialog || dialog.contains(keyboard.root.host);
}

function send(keyboard, name) {
  keyboard.waiting = keyboard.answered + 1;
  keyboard.timer = setTimeout(() => answer(keyboard, keyboard.waiting), PATIENCE);
  keyboard.send("press", { name, number: keyboard.waiting });
}

/** Note that Python has answered presses up to a number, and send the next one that waits. */
function answer(keyboard, number) {
  keyboard.answered = Math.max(keyboard.answered, number);
  if (keyboard.waiting === null || keyboard.answered < keyboard.waiting) {
    return;
  }
  clearTimeout(keyboard.timer);
  keyboard.waiting = null;
  if (keyboard.queue.length) {
    send(keyboard, keyboard.queue.shift());
  }
}
