'use strict';
// The channel to the runtime client: frames v1 (docs/frames.md) over one socket.
const net = require('net');

const fd = parseInt(process.env.IMAGEKIT_FDS, 10);
let take; // what is called with bytes that came
// One buffer for all reads: a new one for each costs a third of a small event's time.
const onread = {
  buffer: Buffer.allocUnsafe(65536),
  callback(length, buffer) {
    take(buffer.subarray(0, length));
    return true;
  },
};
const options = { fd, readable: true, writable: true, onread };
const socket = process.versions.bun ? net.connect({ fd }) : new net.Socket(options);

/** Writes one frame; `sent` is called when the client has taken it. */
function send(type, body, fields, sent) {
  const head = `${[type, Buffer.byteLength(body), ...fields].join(' ')}\n`;
  if (typeof body === 'string') {
    socket.write(head + body, sent);
    return;
  }
  socket.cork(); // header and body leave in one system call
  socket.write(head);
  socket.write(body, sent);
  socket.uncork();
}

/** Calls `on(words of the header, body)` for each frame; the body is overwritten later. */
function receive(on) {
  let pieces = [];
  let missing = 0; // bytes until the frame is whole, so that a large one is joined once
  take = (piece) => {
    missing -= piece.length;
    if (missing > 0) {
      pieces.push(Buffer.from(piece));
      return;
    }
    let rest = pieces.length ? Buffer.concat([...pieces, piece]) : piece;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const words = rest.toString('latin1', 0, end).split(' ');
      const next = end + 1 + Number(words[1]);
      missing = next - rest.length;
      if (missing > 0) break;
      on(words, rest.subarray(end + 1, next));
      rest = rest.subarray(next);
    }
    pieces = rest.length ? [Buffer.from(rest)] : [];
  };
  socket.on('data', take); // where there is no onread; else it starts the reading
}

module.exports = { receive, send, socket };
