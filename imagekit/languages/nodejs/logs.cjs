'use strict';
// stdout and stderr: to a pipe, Node.js writes what does not fit at once later.

const used = new Set(); // of the two streams, which are made when they are first asked for
// In Bun to look at them makes them, and what they write to stops being waited for: writeSync fails with EAGAIN.
for (const name of process.versions.bun ? [] : ['stdout', 'stderr']) {
  const { get } = Object.getOwnPropertyDescriptor(process, name) || {};
  const noted = () => {
    const stream = get.call(process);
    used.add(stream);
    return stream;
  };
  if (get) Object.defineProperty(process, name, { configurable: true, enumerable: true, get: noted });
}

/** Not with the stream's own write, which loggers replace. */
function write(stream, written) {
  Object.getPrototypeOf(stream).write.call(stream, '', written);
}

/** Waits until all that was logged is written; undefined where it is. */
function logged() {
  const pending = [...used].filter((stream) => stream.writableLength > 0 && !stream.destroyed);
  if (pending.length === 0) return undefined;
  return Promise.all(pending.map((stream) => new Promise((written) => write(stream, () => written()))));
}

module.exports = { logged };
