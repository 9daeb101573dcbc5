#include "json.h"

#include <stdio.h>

/* How many bytes the UTF-8 character at the start of `text` has; 0 when it is none (RFC 3629, section 4). */
static size_t character_size(struct span text) {
    const unsigned char *at = (const unsigned char *)text.at;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (size > text.size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf4 && at[1] >= 0x90);
    return size > 1 && (overlong || surrogate) ? 0 : size;
}

static void add_escape(struct buffer *out, unsigned char byte) {
    char text[8];
    int size = snprintf(text, sizeof text, "\\u%04x", byte);
    buffer_add(out, (struct span){text, (size_t)size});
}

static void add_character(struct buffer *out, struct span character) {
    unsigned char byte = (unsigned char)character.at[0];
    if (byte == '"' || byte == '\\') {
        buffer_add(out, SPAN("\\"));
        buffer_add(out, character);
    } else if (byte < ' ' || byte == 0x7f) {
        add_escape(out, byte);
    } else {
        buffer_add(out, character);
    }
}

void json_add_string(struct buffer *out, struct span text) {
    buffer_add(out, SPAN("\""));
    while (text.size > 0) {
        size_t size = character_size(text);
        if (size == 0)
            buffer_add(out, SPAN("\xef\xbf\xbd"));
        else
            add_character(out, span_first(text, size));
        text = span_from(text, size == 0 ? 1 : size);
    }
    buffer_add(out, SPAN("\""));
}

void json_add_error(struct buffer *out, struct span type, struct span message) {
    buffer_add(out, SPAN("{\"errorType\":"));
    json_add_string(out, type);
    buffer_add(out, SPAN(",\"errorMessage\":"));
    json_add_string(out, message);
    buffer_add(out, SPAN(",\"stackTrace\":[]}"));
}

static void skip_blanks(struct span *rest) {
    while (rest->size > 0 && (rest->at[0] == ' ' || rest->at[0] == '\n' || rest->at[0] == '\r' || rest->at[0] == '\t'))
        *rest = span_from(*rest, 1);
}

static bool take(struct span *rest, char byte) {
    skip_blanks(rest);
    if (rest->size == 0 || rest->at[0] != byte)
        return false;
    *rest = span_from(*rest, 1);
    return true;
}

static bool take_string(struct span *rest, struct span *text) {
    if (!take(rest, '"'))
        return false;
    for (size_t i = 0; i < rest->size; i++) {
        if ((unsigned char)rest->at[i] < ' ')
            return false;
        if (rest->at[i] == '\\') {
            i++;
        } else if (rest->at[i] == '"') {
            *text = span_first(*rest, i);
            *rest = span_from(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* Skips any value; brackets are counted, not matched: what is wrong with them is the reader's matter. */
static bool skip_value(struct span *rest) {
    struct span string;
    size_t depth = 0;
    for (skip_blanks(rest); rest->size > 0; skip_blanks(rest)) {
        char byte = rest->at[0];
        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']'))
            return true;
        if (byte == '"') {
            if (!take_string(rest, &string))
                return false;
            continue;
        }
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        *rest = span_from(*rest, 1);
    }
    return false;
}

struct span json_member(struct span text, struct span name) {
    struct span key = {0}, value = {0};
    if (!take(&text, '{'))
        return value;
    do {
        if (!take_string(&text, &key) || !take(&text, ':'))
            break;
        skip_blanks(&text);
        if (span_equal(key, name) && take_string(&text, &value))
            return value;
    } while (skip_value(&text) && take(&text, ','));
    return (struct span){0};
}

/* An escape is 2 bytes, or 6 with four hexadecimal digits, or 12 for the two halves of one character. */
static size_t escape_size(struct span text) {
    if (text.at[1] != 'u')
        return 2;
    bool first_half = text.size >= 12 && (text.at[2] | 0x20) == 'd' && (text.at[3] == '8' || text.at[3] == '9' ||
                                                                       (text.at[3] | 0x20) == 'a' ||
                                                                       (text.at[3] | 0x20) == 'b');
    return first_half ? 12 : 6;
}

struct span json_shortened(struct span text, size_t limit) {
    size_t used = 0;
    while (used < text.size) {
        struct span rest = span_from(text, used);
        size_t size = rest.at[0] == '\\' && rest.size > 1 ? escape_size(rest) : character_size(rest);
        size = size == 0 ? 1 : size;
        if (size > rest.size || used + size > limit)
            break;
        used += size;
    }
    return span_first(text, used);
}
