'use strict';
// What went wrong, in Lambda's words.

/** Stack frames of the interpreter's own code: of Node.js, Deno and Bun. */
const INTERPRETER = /[ (](node:|ext:|internal\/|unknown$)/;

/** An error of a type that Lambda knows, such as Runtime.HandlerNotFound. */
class Fault extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    this.stack = `${name}: ${(cause && cause.stack) || message}`;
  }
}

/** Body and type of an error frame for what was thrown. The stack ends where the worker called the handler. */
function describe(thrown) {
  const error = thrown !== null && typeof thrown === 'object' && 'message' in thrown ? thrown : undefined;
  const errorType = String((error && error.name) || typeof thrown);
  const frames = String((error && error.stack) || '').split('\n').filter((line) => /^ +at /.test(line));
  const worker = frames.findIndex((frame) => frame.includes(__dirname));
  const stackTrace = frames
    .slice(0, worker < 0 ? frames.length : worker)
    .filter((frame) => !INTERPRETER.test(frame))
    .map((frame) => frame.trim());
  const letters = errorType.replace(/[^A-Za-z]/g, '');
  const type = /^Runtime\.[A-Z][A-Za-z]+$/.test(errorType)
    ? errorType
    : `Function.${letters.charAt(0).toUpperCase()}${letters.slice(1)}`;
  return [JSON.stringify({ errorType, errorMessage: String(error ? error.message : thrown), stackTrace }), type];
}

module.exports = { Fault, describe };
