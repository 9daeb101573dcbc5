/* The little JSON that errors and log lines need. Pure. */
#ifndef JSON_H
#define JSON_H

#include "buffer.h"

/* Adds a string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void json_add_string(struct buffer *out, struct span text);
/* Adds {"errorType": …, "errorMessage": …, "stackTrace": []}. */
void json_add_error(struct buffer *out, struct span type, struct span message);
/* The text of a string that is a member of the object `text`, as it stands between its quotes; absent when there is none
   or `text` is no JSON object up to there. */
struct span json_member(struct span text, struct span name);
/* As much of such a text as fits into `limit` bytes, cut between characters. */
struct span json_shortened(struct span text, size_t limit);

#endif
