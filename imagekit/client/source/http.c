#include "http.h"

#include <string.h>

size_t http_head_size(struct span in, size_t *scanned) {
    while (*scanned < in.size) {
        const char *end = memchr(in.at + *scanned, '\n', in.size - *scanned);
        if (end == NULL) {
            *scanned = in.size;
            return 0;
        }
        size_t next = (size_t)(end - in.at) + 1;
        if (next < in.size && in.at[next] == '\n')
            return next + 1;
        if (next + 1 < in.size && in.at[next] == '\r' && in.at[next + 1] == '\n')
            return next + 2;
        if (next + 1 >= in.size) {
            *scanned = next - 1; /* the empty line may still be coming: look at this line's end again */
            return 0;
        }
        *scanned = next;
    }
    return 0;
}

static struct span cut_line(struct span *rest) {
    struct span line = span_cut(rest, '\n');
    if (line.size > 0 && line.at[line.size - 1] == '\r')
        line.size--;
    return line;
}

/* The name that a line begins with: printable ASCII up to a colon; empty when there is none. */
static struct span name_of(struct span line) {
    size_t size = 0;
    while (size < line.size && line.at[size] > ' ' && line.at[size] < 0x7f && line.at[size] != ':')
        size++;
    return span_first(line, size < line.size && line.at[size] == ':' ? size : 0);
}

/* RFC 9112, section 4: HTTP/1.x SP three digits, then anything. */
static bool parse_status(struct span line, struct http_head *head) {
    uint64_t status = 0;
    if (line.size < 12 || !span_begins(line, SPAN("HTTP/1.")) || line.at[8] != ' ')
        return false;
    if ((line.at[7] != '0' && line.at[7] != '1') || (line.size > 12 && line.at[12] != ' '))
        return false;
    if (!span_number((struct span){line.at + 9, 3}, 599, &status) || status < 100)
        return false;
    head->status = (unsigned)status;
    head->close = line.at[7] == '0';
    return true;
}

static bool parse_transfer_encoding(struct span value, struct http_head *head) {
    head->chunked = true;
    return span_equal_caseless(value, SPAN("chunked"));
}

/* Two lengths that differ are how requests are smuggled (RFC 9112, section 6.3). */
static bool parse_length(struct span value, struct http_head *head) {
    uint64_t size = 0;
    if (!span_number(value, HTTP_BODY_LIMIT, &size) || (head->sized && head->size != size))
        return false;
    head->sized = true;
    head->size = size;
    return true;
}

static void parse_connection(struct span value, struct http_head *head) {
    while (value.size > 0) {
        struct span option = span_trimmed(span_cut(&value, ','));
        if (span_equal_caseless(option, SPAN("close")))
            head->close = true;
        if (span_equal_caseless(option, SPAN("keep-alive")))
            head->close = false;
    }
}

static bool parse_field(struct span line, struct http_head *head) {
    struct span name = name_of(line);
    if (name.size == 0)
        return false;
    struct span value = span_trimmed(span_from(line, name.size + 1));
    if (span_equal_caseless(name, SPAN("content-length")))
        return parse_length(value, head);
    if (span_equal_caseless(name, SPAN("transfer-encoding")))
        return parse_transfer_encoding(value, head);
    if (span_equal_caseless(name, SPAN("connection")))
        parse_connection(value, head);
    return true;
}

bool http_parse_head(struct span bytes, struct http_head *head) {
    *head = (struct http_head){0};
    if (memchr(bytes.at, '\0', bytes.size) != NULL || !parse_status(cut_line(&bytes), head))
        return false;
    head->fields = bytes;
    while (bytes.size > 0) {
        struct span line = cut_line(&bytes);
        if (line.size > 0 && !parse_field(line, head))
            return false;
    }
    if (head->chunked || head->status < 200 || head->status == 204 || head->status == 304) {
        head->sized = !head->chunked || head->status < 200; /* these never have a body (RFC 9112, section 6.3) */
        head->chunked = head->chunked && !head->sized;
        head->size = 0;
    }
    return true;
}

static bool begins_with_name(struct span line, struct span name) {
    return line.size > name.size && line.at[name.size] == ':' &&
           span_equal_caseless(span_first(line, name.size), name);
}

void http_find(struct span fields, struct http_wanted *wanted, size_t count) {
    while (fields.size > 0) {
        struct span line = cut_line(&fields);
        size_t i = 0;
        while (i < count && !begins_with_name(line, wanted[i].name))
            i++;
        if (i < count && wanted[i].value.at == NULL)
            wanted[i].value = span_trimmed(span_from(line, wanted[i].name.size + 1));
    }
}

struct span http_field(struct span fields, struct span name) {
    struct http_wanted wanted = {.name = name};
    http_find(fields, &wanted, 1);
    return wanted.value;
}

static int hex_value(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool add_digit(struct http_chunks *chunks, int digit) {
    if (chunks->left > HTTP_BODY_LIMIT || ++chunks->digits > 16)
        return false;
    chunks->left = chunks->left * 16 + (uint64_t)digit;
    return true;
}

static bool end_size_line(struct http_chunks *chunks) {
    chunks->overhead = 0;
    chunks->empty_line = true;
    chunks->total += chunks->left;
    chunks->stage = chunks->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
    return chunks->digits > 0 && chunks->total <= HTTP_BODY_LIMIT;
}

static bool take_size_byte(struct http_chunks *chunks, char byte) {
    if (byte == '\n')
        return end_size_line(chunks);
    int digit = chunks->stage == HTTP_CHUNK_SIZE ? hex_value(byte) : -1;
    if (digit >= 0)
        return add_digit(chunks, digit);
    chunks->stage = HTTP_CHUNK_EXTENSION;
    return byte == '\r' || byte == ';' || byte == ' ' || byte == '\t' || chunks->overhead > 0;
}

static bool take_data_end_byte(struct http_chunks *chunks, char byte) {
    if (byte == '\r')
        return ++chunks->overhead == 1;
    chunks->stage = HTTP_CHUNK_SIZE;
    chunks->digits = 0;
    chunks->overhead = 0;
    return byte == '\n';
}

static bool take_trailer_byte(struct http_chunks *chunks, char byte) {
    if (byte != '\n') {
        chunks->empty_line = chunks->empty_line && byte == '\r';
        return true;
    }
    if (chunks->empty_line)
        chunks->stage = HTTP_CHUNK_END;
    chunks->empty_line = true;
    return true;
}

static bool take_byte(struct http_chunks *chunks, char byte) {
    if (chunks->stage == HTTP_CHUNK_DATA_END)
        return take_data_end_byte(chunks, byte);
    if (chunks->stage == HTTP_CHUNK_TRAILER)
        return ++chunks->overhead <= HTTP_TRAILER_LIMIT && take_trailer_byte(chunks, byte);
    bool good = take_size_byte(chunks, byte);
    if (chunks->stage == HTTP_CHUNK_EXTENSION)
        chunks->overhead++;
    return good && chunks->overhead <= HTTP_CHUNK_LINE_LIMIT;
}

static struct span take_piece(struct http_chunks *chunks, struct span *in) {
    struct span piece = span_first(*in, chunks->left > SIZE_MAX ? SIZE_MAX : (size_t)chunks->left);
    *in = span_from(*in, piece.size);
    chunks->left -= piece.size;
    if (chunks->left == 0)
        chunks->stage = HTTP_CHUNK_DATA_END;
    return piece;
}

enum http_chunk_result http_next_chunk(struct http_chunks *chunks, struct span *in, struct span *piece) {
    while (in->size > 0 && chunks->stage != HTTP_CHUNK_END) {
        if (chunks->stage == HTTP_CHUNK_DATA) {
            *piece = take_piece(chunks, in);
            return HTTP_CHUNK_PIECE;
        }
        char byte = in->at[0];
        *in = span_from(*in, 1);
        if (!take_byte(chunks, byte))
            return HTTP_CHUNK_BAD;
    }
    return chunks->stage == HTTP_CHUNK_END ? HTTP_CHUNK_DONE : HTTP_CHUNK_MORE;
}
