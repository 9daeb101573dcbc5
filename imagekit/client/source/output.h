/* The client's stderr, which is the log. It never blocks the client: while a reader is slow, what is to come waits where it
   comes from, as it would if the worker wrote there itself. When it is closed, all is dropped. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "span.h"

/* `ready` is called when it takes bytes again. */
void output_open(void (*ready)(void));
/* Whether it takes bytes now. */
bool output_takes(void);
/* Writes bytes of others; what it does not take is kept, and it takes no more until that is gone. */
void output_write(struct span bytes);
/* Writes a line of the client's own, also while it takes none; lines that are too many for the memory are dropped. */
void output_line(struct span line);
/* Waits until what is kept is gone, as long as it takes some within each `milliseconds`; false: it is not gone. */
bool output_flush(int milliseconds);
/* The same with the patience that an answer has: five seconds in all, one second in which it takes nothing. Once it took
   nothing there is no waiting until it takes something again, so that a log that nobody reads costs one event a second. */
bool output_wait(void);
/* Whether so much is kept that nothing should be begun that may write more. */
bool output_is_full(void);

#endif
