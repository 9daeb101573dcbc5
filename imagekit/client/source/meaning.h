/* What the frames of a worker mean: what is done when a frame begins, and when its body is there. */
#ifndef MEANING_H
#define MEANING_H

#include "client.h"

enum { ERROR_LIMIT = 256 << 10 }; /* of the body of an error */

/* The line was read: worker->frame. Decides what its body is for. */
void meaning_begin(struct worker *worker);
/* The body is complete. `body`: an answer that came in one piece; absent when it was collected. */
void meaning_finish(struct worker *worker, struct span body);
/* The event of a STREAM that came too early is complete. */
void meaning_begin_stream(struct worker *worker);

#endif
