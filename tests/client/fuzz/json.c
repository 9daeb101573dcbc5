/* Texts of errors: whatever they are, what is made of them is a JSON string that is read back whole. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

static void check_error(struct span text) {
    struct buffer made = {0};
    json_add_error(&made, text, text);
    struct span type = json_member(buffer_span(&made), SPAN("errorType"));
    struct span message = json_member(buffer_span(&made), SPAN("errorMessage"));
    if (type.at == NULL || !span_equal(type, message))
        abort();
    struct span shortened = json_shortened(message, 100);
    if (shortened.size > 100 || !span_begins(message, shortened))
        abort();
    buffer_reset(&made, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    struct span text = {copy, size};
    struct span message = json_member(text, SPAN("errorMessage"));
    json_shortened(message, 50);
    json_shortened(text, 50);
    check_error(text);
    free(copy);
    return 0;
}
