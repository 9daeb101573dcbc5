'use strict';
// What went wrong, in Lambda's words.

/** Stack frames of the interpreter's own code: of Node.js, Deno and Bun. */
const INTERPRETER = /[ (](node:|ext:|internal\/|unknown$)/;

/** So many frames of a stack are told: handlers may set Error.stackTraceLimit. */
const FRAMES = 100;

/** An error of a type that Lambda knows, such as Runtime.HandlerNotFound. */
class Fault extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    this.stack = `${name}: ${(cause && cause.stack) || message}`;
  }
}

function message(thrown, error) {
  try {
    return String(error && 'message' in error ? error.message : thrown);
  } catch {
    return '(its message cannot be shown)';
  }
}

/** A text of what was thrown, whose own code may throw in turn. */
function text(read, otherwise) {
  try {
    return String(read() || otherwise);
  } catch {
    return otherwise;
  }
}

/** Writes what was thrown to the log, as far as it can be shown. */
function log(thrown) {
  try {
    console.error(thrown);
  } catch {
    console.error(describe(thrown)[0]);
  }
}

/** Body and type of an error frame for what was thrown. The stack ends where the worker called the handler. */
function describe(thrown) {
  const error = thrown !== null && typeof thrown === 'object' ? thrown : undefined;
  const errorType = text(() => error && error.name, typeof thrown);
  const frames = text(() => error && error.stack, '').split('\n').filter((line) => /^ +at /.test(line));
  const worker = frames.findIndex((frame) => frame.includes(__dirname));
  const stackTrace = frames
    .slice(0, worker < 0 ? frames.length : worker)
    .filter((frame) => !INTERPRETER.test(frame))
    .slice(0, FRAMES)
    .map((frame) => frame.trim());
  const errorMessage = message(thrown, error);
  const letters = errorType.replace(/[^A-Za-z]/g, '');
  const type = /^Runtime\.[A-Z][A-Za-z]+$/.test(errorType)
    ? errorType
    : `Function.${letters.charAt(0).toUpperCase()}${letters.slice(1)}`;
  return [JSON.stringify({ errorType, errorMessage, stackTrace }), type];
}

module.exports = { Fault, describe, log };
