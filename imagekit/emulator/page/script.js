// The page of a local Lambda: sends events through the API that every caller uses, and shows what happens.
// All that comes from a function is put in as text, never as markup; the page's policy allows nothing else.
"use strict";

const MOST_LINES = 1000; // of the log
const MOST_INVOCATIONS = 200;
const MOST_ENDED = 10; // environments that are gone and still listed
const MOST_SHOWN = 200_000; // characters of an answer
const MOST_INDENTED = 1_000_000;
const COLOURS = 6;
const SVG = "http://www.w3.org/2000/svg";

const part = (id) => document.getElementById(id);

/** What is known of the function, from /page/about.json. */
let about = { run: "", name: "function", memory: 128, groups: [] };
/** Environments by number. */
let environments = new Map();
/** Invocations by request id, the oldest first. */
let invocations = new Map();
let lines = [];
/** What the answer's part shows: an invocation, or one that has no id yet. */
let chosen = null;
const stale = new Set();

// Building.

function made(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function drawn(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const cell = (text, classes = "") => made("td", { className: classes }, text);
const milliseconds = (value) => (value == null ? "" : `${value.toFixed(value < 100 ? 2 : 0)} ms`);
const mebibytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
const colour = (number) => (number - 1) % COLOURS;

/** JSON with line breaks. The text is kept as it is otherwise: a number may have more digits than JavaScript has. */
function indented(text) {
  const words = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g) || [];
  const pieces = [];
  let depth = 0;
  const line = () => pieces.push("\n", "  ".repeat(Math.min(depth, 40)));
  words.forEach((word, index) => {
    const empty = (word === "{" && words[index + 1] === "}") || (word === "[" && words[index + 1] === "]");
    const closes = word === "}" || word === "]";
    if (closes) {
      depth -= 1;
      const before = words[index - 1];
      if (before !== "{" && before !== "[") line();
    }
    pieces.push(word);
    if (word === "{" || word === "[") {
      depth += 1;
      if (!empty) line();
    } else if (word === ",") line();
    else if (word === ":") pieces.push(" ");
  });
  return pieces.join("");
}

function parsed(text) {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: error.message };
  }
}

/** An answer's bytes as they are shown. */
function readable(bytes) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const start = Array.from(bytes.subarray(0, 512), (byte) => byte.toString(16).padStart(2, "0"));
    return `${bytes.length} bytes that are no text:\n${start.join(" ")}${bytes.length > 512 ? " …" : ""}`;
  }
  if (text.length <= MOST_INDENTED && "value" in parsed(text)) text = indented(text);
  return text.length > MOST_SHOWN
    ? `${text.slice(0, MOST_SHOWN)}\n… ${text.length - MOST_SHOWN} more characters`
    : text;
}

// Sending.

async function send() {
  const text = part("event").value.trim() || "{}";
  const { problem } = parsed(text);
  part("problem").textContent = problem ? `Not JSON: ${problem}` : "";
  part("event").setAttribute("aria-invalid", String(Boolean(problem)));
  if (problem) return;
  const sent = { id: "", at: Date.now() / 1000, state: "running", event: text };
  choose(sent);
  const began = performance.now();
  try {
    const response = await fetch(`/2015-03-31/functions/${encodeURIComponent(about.name)}/invocations`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-Amz-Log-Type": "Tail",
        "X-Amz-Invocation-Type": part("how").value,
      },
      body: text,
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    answered(sent, response, bytes, performance.now() - began);
  } catch (error) {
    Object.assign(sent, { state: "lost", answer: { failed: true, text: String(error.message || error) } });
  }
  renew("answer");
}

/** Put what came back to what happenings tell of the same request. */
function answered(sent, response, bytes, took) {
  const tail = response.headers.get("X-Amz-Log-Result");
  const answer = {
    status: response.status,
    error: response.headers.get("X-Amz-Function-Error"),
    kind: response.headers.get("X-Amzn-ErrorType"),
    failed: !response.ok || response.headers.has("X-Amz-Function-Error"),
    text: readable(bytes),
    summary: summary(bytes),
    size: bytes.length,
    tail: tail ? new TextDecoder().decode(Uint8Array.from(atob(tail), (mark) => mark.charCodeAt(0))) : "",
    took,
  };
  const id = response.headers.get("X-Amzn-RequestId");
  const found = id ? invocation(id, sent.at) : sent;
  Object.assign(found, { answer, event: sent.event });
  if (!id) found.state = "refused";
  if (chosen === sent) choose(found);
}

/** `Type: message` of an error's document. */
function summary(bytes) {
  const { value } = parsed(new TextDecoder().decode(bytes.subarray(0, MOST_SHOWN)));
  if (!value || typeof value !== "object") return "";
  const message = value.errorMessage ?? value.Message ?? value.message;
  return [value.errorType, message].filter((word) => typeof word === "string").join(": ");
}

function choose(which) {
  chosen = which;
  renew("answer", "invocations", ...(part("only").checked ? ["log"] : []));
}

// Happenings.

function invocation(id, at) {
  if (!invocations.has(id)) {
    invocations.set(id, { id, at, state: "running" });
    if (invocations.size > MOST_INVOCATIONS) invocations.delete(invocations.keys().next().value);
  }
  return invocations.get(id);
}

function environment(number, at) {
  if (!environments.has(number)) {
    environments.set(number, { number, at, state: "starting", init: null, running: 0, events: 0, samples: [] });
  }
  return environments.get(number);
}

const HEARD = {
  started: (one, what) => Object.assign(one, { at: what.at, state: "starting" }),
  ready: (one, what) => Object.assign(one, { init: what.init, state: what.error ? `init: ${what.error}` : "ready" }),
  reset: (one, what) => Object.assign(one, { state: `reset: ${what.reason.toLowerCase()}`, running: 0 }),
  ended: (one, what) => {
    Object.assign(one, { state: "ended", running: 0, until: what.at });
    const gone = [...environments.values()].filter((item) => item.state === "ended");
    for (const item of gone.slice(0, -MOST_ENDED)) environments.delete(item.number);
  },
  begun: (one, what) => {
    Object.assign(one, { state: "running", running: one.running + 1, events: one.events + 1 });
    Object.assign(invocation(what.id, what.at), { at: what.at, environment: what.environment });
  },
  done: (one, what) => {
    one.running = Math.max(one.running - 1, 0);
    if (one.state === "running" && !one.running) one.state = "ready";
    Object.assign(invocation(what.id, what.at), { state: what.status, report: what });
    if (chosen && chosen.id === what.id) renew("answer");
  },
  memory: (one, what) => {
    const last = one.samples.at(-1);
    if (!last || last.peak !== what.peak) one.samples.push({ at: what.at, peak: what.peak });
    if (one.samples.length > 500) one.samples.splice(1, 1);
  },
  log: (_, what) => addLine(what),
};

function hear(message) {
  if (message.fresh) forget();
  if (message.run !== about.run && about.run) introduce();
  if (message.left_out) {
    // What ended may be among it.
    for (const one of invocations.values()) if (one.state === "running") one.state = "";
    for (const one of environments.values()) one.running = 0;
    const words = `… ${message.left_out} happenings came too fast for this page`;
    HEARD.log(null, { at: Date.now() / 1000, source: "platform", id: "", text: words });
  }
  for (const what of message.happenings) HEARD[what.kind]?.(environment(what.environment, what.at), what);
  if (message.happenings.length || message.fresh) renew("environments", "invocations");
}

function forget() {
  environments = new Map();
  // Answers that this page has got stay.
  invocations = new Map([...invocations].filter(([, one]) => one.answer));
  lines = [];
  renew("log");
}

function connect() {
  const source = new EventSource("/page/happenings");
  const say = (text, classes) => {
    part("connection").textContent = text;
    part("connection").className = classes;
  };
  source.onopen = () => say("live", "good");
  source.onmessage = (event) => hear(JSON.parse(event.data));
  source.onerror = () => {
    say("not connected: waiting for it to come back", "wait");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

// Showing.

/** Draw these parts before the next picture, however often that is asked for. */
function renew(...parts) {
  if (!stale.size) requestAnimationFrame(show);
  for (const name of parts) stale.add(name);
}

function show() {
  const parts = [...stale];
  stale.clear();
  for (const name of parts) SHOWN[name]();
}

const SHOWN = {
  answer: showAnswer,
  environments: showEnvironments,
  invocations: showInvocations,
  log: showLog,
};

function showAnswer() {
  if (!chosen) return;
  const { answer, report } = chosen;
  const status = part("status");
  const text = outcome();
  if (status.textContent !== text) status.textContent = text; // it is read out whenever it is set
  status.className = answer?.failed || isBad(chosen.state) ? "bad" : answer || report ? "good" : "wait";
  const figures = [
    ["Duration", milliseconds(report?.duration)],
    ["Billed", report ? `${report.billed} ms` : ""],
    ["Init", milliseconds(report?.init)],
    ["Memory", report ? `${report.memory} of ${about.memory} MB` : ""],
    ["Size", answer?.size != null ? `${answer.size} bytes` : ""],
    ["Seen from here", milliseconds(answer?.took)],
    ["Environment", chosen.environment ? String(chosen.environment) : ""],
    ["Request", chosen.id],
  ];
  part("figures").replaceChildren(
    ...figures.filter(([, value]) => value).map(([name, value]) => made("div", {}, made("dt", {}, name), made("dd", {}, value))),
  );
  part("answer").hidden = !answer?.text;
  part("answer").textContent = answer?.text ?? "";
  part("answer").className = answer?.failed ? "bad" : "";
  part("tail-part").hidden = !answer?.tail;
  part("tail").textContent = plain(answer?.tail ?? "");
}

function outcome() {
  const { answer, report, state } = chosen;
  if (answer) {
    if (answer.error) return `The function failed. ${answer.summary}`;
    if (answer.status === undefined) return `imagekit does not answer: ${answer.text}`;
    if (answer.failed) return `Refused with ${answer.status} ${answer.kind ?? ""}. ${answer.summary}`;
    return answer.status === 202 ? `Accepted (202). ${report ? `It ended: ${state}.` : ""}` : "Answered.";
  }
  if (report) return `${state}: an invocation of another caller, whose answer is not seen here.`;
  return "Running.";
}

const isBad = (state) => ["error", "failure", "timeout", "lost", "refused"].includes(state);

function showEnvironments() {
  const all = [...environments.values()];
  part("no-environments").hidden = all.length > 0;
  part("environments").hidden = !all.length;
  part("environments").tBodies[0].replaceChildren(...all.map((one) => {
    const state = one.running > 1 ? `running ${one.running} events` : one.state;
    const tone = /^(ready|running)/.test(state) ? "good" : /^(init|reset)/.test(state) ? "bad" : "muted";
    const peak = one.samples.at(-1)?.peak;
    return made("tr", { "data-environment": String(one.number) },
      cell(`▬ ${one.number}`, `ink-${colour(one.number)}`),
      cell(state, tone),
      cell(milliseconds(one.init), "number"),
      cell(String(one.events), "number"),
      cell(peak ? mebibytes(peak) : "", "number"),
      cell(clock(one.at), "roomy"));
  }));
  showMemory(all.filter((one) => one.samples.length));
}

/** A line for each environment: the most memory that it used until then. */
function showMemory(all) {
  const svg = part("memory");
  if (!all.length) return svg.replaceChildren();
  const limit = about.memory * 1048576;
  const width = Math.max(svg.clientWidth, 200);
  const [left, right, top, bottom] = [46, width - 6, 14, 130];
  const samples = all.flatMap((one) => one.samples);
  const peak = samples.reduce((most, one) => Math.max(most, one.peak), 0);
  const most = Math.max(peak * 1.2, peak > limit / 2 ? limit * 1.1 : 0);
  const begin = samples.reduce((first, one) => Math.min(first, one.at), Infinity);
  const end = Math.max(Date.now() / 1000, begin + 1);
  const x = (at) => left + ((Math.min(at, end) - begin) / (end - begin)) * (right - left);
  const y = (bytes) => bottom - (bytes / most) * (bottom - top);
  const shapes = [0, most / 2, most].flatMap((bytes) => [
    drawn("line", { class: "axis", x1: left, x2: right, y1: y(bytes), y2: y(bytes) }),
    drawn("text", { x: left - 5, y: y(bytes) + 4, "text-anchor": "end" }, (bytes / 1048576).toFixed(most < 2e7 ? 1 : 0)),
  ]);
  if (limit <= most) shapes.push(drawn("line", { class: "limit", x1: left, x2: right, y1: y(limit), y2: y(limit) }));
  for (const one of all) {
    const steps = one.samples.map((sample) => `H${x(sample.at).toFixed(1)}V${y(sample.peak).toFixed(1)}`).join("");
    const first = one.samples[0];
    const last = x(one.until ?? end).toFixed(1);
    const path = `M${x(first.at).toFixed(1)} ${y(first.peak).toFixed(1)}${steps}H${last}`;
    shapes.push(drawn("path", { class: `stroke-${colour(one.number)}`, d: path }));
  }
  shapes.push(drawn("text", { x: left, y: 10 }, "MiB"));
  shapes.push(drawn("text", { x: left, y: 146 }, clock(begin)));
  shapes.push(drawn("text", { x: right, y: 146, "text-anchor": "end" }, clock(end)));
  svg.setAttribute("aria-label", `Memory over time: at most ${mebibytes(peak)} of ${about.memory} MiB`);
  svg.replaceChildren(...shapes);
}

function showInvocations() {
  const all = [...invocations.values()].reverse();
  part("no-invocations").hidden = all.length > 0;
  part("invocations").hidden = !all.length;
  const focused = document.activeElement?.dataset?.id;
  part("invocations").tBodies[0].replaceChildren(...all.map((one) => {
    const pick = made("button", {
      type: "button", className: "plain", title: one.id, "aria-pressed": String(chosen?.id === one.id),
    }, one.id.slice(0, 8));
    pick.dataset.id = one.id;
    pick.addEventListener("click", () => look(one));
    const word = one.report?.error ? `${one.state}: ${one.report.error}` : one.state;
    return made("tr", {},
      made("td", {}, pick),
      cell(word, isBad(one.state) ? "bad" : one.state === "running" ? "wait" : "good"),
      cell(milliseconds(one.report?.duration), "number"),
      cell(one.report ? `${one.report.billed} ms` : "", "number roomy"),
      cell(milliseconds(one.report?.init), "number roomy"),
      cell(one.report ? `${one.report.memory} MB` : "", "number roomy"),
      cell(clock(one.at), "roomy"));
  }));
  if (focused) document.querySelector(`button[data-id="${CSS.escape(focused)}"]`)?.focus();
}

/** Show an invocation, and its event when it was sent from here. */
function look(one) {
  choose(one);
  if (one.event) part("event").value = one.event;
}

// The log.

const plain = (text) => text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "");

const isShown = (line) => (line.source !== "platform" || part("platform").checked)
  && (!part("only").checked || !chosen || line.id === chosen.id);

let waiting = [];

function addLine(line) {
  for (const kept of [lines, waiting]) {
    kept.push(line);
    // A page in the background draws nothing for hours.
    if (kept.length > 2 * MOST_LINES) kept.splice(0, kept.length - MOST_LINES);
  }
  if (waiting.length === 1) requestAnimationFrame(addLines);
}

function addLines() {
  const log = part("log");
  const added = waiting.filter(isShown).slice(-MOST_LINES);
  waiting = [];
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  log.append(...added.map(written));
  while (log.childElementCount > MOST_LINES) log.firstChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
}

function written(line) {
  const rest = line.cut ? ` … ${line.cut} more characters` : "";
  const time = made("span", { className: "time" }, `${clock(line.at)} `);
  return made("div", { className: line.source }, time, plain(line.text) + rest);
}

function showLog() {
  waiting = [];
  const log = part("log");
  log.replaceChildren(...lines.filter(isShown).slice(-MOST_LINES).map(written));
  log.scrollTop = log.scrollHeight;
}

// The beginning.

async function introduce() {
  about = await (await fetch("/page/about.json")).json();
  document.title = `${about.name} · imagekit run`;
  part("name").textContent = about.name;
  part("facts").textContent = `${about.image} · ${about.architecture} · ${about.memory} MB · ${about.timeout} s`;
  const events = about.groups.filter((group) => group.templates.length);
  part("template").replaceChildren(part("template").firstElementChild, ...events.map((group) => {
    const choices = group.templates.map((one) => {
      const choice = made("option", {}, one.name);
      choice.event = one.event;
      return choice;
    });
    return made("optgroup", { label: group.title }, ...choices);
  }));
}

function format() {
  const { problem } = parsed(part("event").value);
  if (!problem) part("event").value = indented(part("event").value);
  part("problem").textContent = problem ? `Not JSON: ${problem}` : "";
}

part("template").addEventListener("change", () => {
  const { event } = part("template").selectedOptions[0];
  if (event !== undefined) part("event").value = "value" in parsed(event) ? indented(event) : event;
});
part("send").addEventListener("click", send);
part("indent").addEventListener("click", format);
part("only").addEventListener("change", () => renew("log"));
part("platform").addEventListener("change", () => renew("log"));
part("clear").addEventListener("click", () => {
  lines = [];
  renew("log");
});
document.addEventListener("keydown", (key) => {
  if (key.key === "Enter" && (key.ctrlKey || key.metaKey) && !key.repeat) {
    key.preventDefault();
    send();
  }
});
window.addEventListener("resize", () => renew("environments"));
// Time goes on in the picture of memory.
setInterval(() => environments.size && renew("environments"), 2000);
introduce().finally(connect);
