#include "frames.h"

#include <string.h>

static enum frame_type type_of(struct span name) {
    static const struct {
        struct span name;
        enum frame_type type;
    } types[] = {
        {SPAN("OK"), FRAME_OK},         {SPAN("DATA"), FRAME_DATA}, {SPAN("ERR"), FRAME_ERR},
        {SPAN("STREAM"), FRAME_STREAM}, {SPAN("END"), FRAME_END},   {SPAN("FAIL"), FRAME_FAIL},
        {SPAN("READY"), FRAME_READY},   {SPAN("INITERR"), FRAME_INITERR},
        {SPAN("BYE"), FRAME_BYE},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_equal(name, types[i].name))
            return types[i].type;
    return FRAME_OTHER;
}

static bool is_upper(struct span name) {
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] < 'A' || name.at[i] > 'Z')
            return false;
    return name.size > 0;
}

static int hex_value(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Printable ASCII, and behind every percent sign two hexadecimal digits. */
static bool is_encoded(struct span line) {
    for (size_t i = 0; i < line.size; i++) {
        if (line.at[i] < ' ' || line.at[i] > '~')
            return false;
        if (line.at[i] == '%' && (i + 2 >= line.size || hex_value(line.at[i + 1]) < 0 || hex_value(line.at[i + 2]) < 0))
            return false;
    }
    return true;
}

/* Decimal, without leading zeros; 18 digits are an exabyte. */
static bool parse_size(struct span text, uint64_t *size) {
    if (text.size > 18 || (text.size > 1 && text.at[0] == '0'))
        return false;
    return span_number(text, UINT64_MAX, size);
}

static bool needs_id(enum frame_type type) {
    return type >= FRAME_OK;
}

/* The next field; false when it is empty, which no field can be. */
static bool cut_field(struct span *rest, struct span *field) {
    *field = (struct span){0};
    if (rest->at == NULL)
        return true;
    struct span piece = span_cut(rest, ' ');
    if (piece.size == 0)
        return false;
    if (piece.at + piece.size == rest->at)
        rest->at = NULL; /* no separator came behind it */
    if (!span_equal(piece, SPAN("-")))
        *field = piece;
    return true;
}

bool frame_parse(struct span line, struct frame *frame) {
    struct span rest = line;
    struct span name, size;
    *frame = (struct frame){0};
    if (line.size == 0 || line.size >= FRAME_LINE_LIMIT || !is_encoded(line))
        return false;
    if (!cut_field(&rest, &name) || !is_upper(name) || !cut_field(&rest, &size) || !parse_size(size, &frame->size))
        return false;
    if (!cut_field(&rest, &frame->first) || !cut_field(&rest, &frame->second))
        return false;
    frame->type = type_of(name);
    return !needs_id(frame->type) || frame->first.at != NULL;
}

/* How many bytes from the start of it need no encoding. */
static size_t plain_size(struct span bytes) {
    size_t size = 0;
    while (size < bytes.size && (unsigned char)(bytes.at[size] - '!') <= '~' - '!' && bytes.at[size] != '%')
        size++;
    return size;
}

static char *add_encoded(char *at, char byte) {
    static const char digits[] = "0123456789ABCDEF";
    *at++ = '%';
    *at++ = digits[(unsigned char)byte >> 4];
    *at++ = digits[(unsigned char)byte & 15];
    return at;
}

/* Most fields have nothing to encode: what has not is copied as it is. */
void frame_add_field(struct buffer *line, struct span value) {
    char *out = buffer_room(line, value.size * 3 + 4);
    char *at = out;
    *at++ = ' ';
    if (value.size == 0)
        *at++ = '-';
    if (span_equal(value, SPAN("-"))) {
        at = add_encoded(at, '-');
        value.size = 0;
    }
    while (value.size > 0) {
        size_t size = plain_size(value);
        memcpy(at, value.at, size);
        at += size;
        value = span_from(value, size);
        if (value.size == 0)
            break;
        at = add_encoded(at, value.at[0]);
        value = span_from(value, 1);
    }
    line->end += (size_t)(at - out);
}

void frame_end_line(struct buffer *line, size_t size, unsigned block) {
    size_t over = block > 0 ? (size + 1) % block : 0;
    size_t spaces = over > 0 ? block - over : 0;
    char *out = buffer_room(line, spaces + 1);
    for (size_t i = 0; i < spaces; i++)
        out[i] = ' ';
    out[spaces] = '\n';
    line->end += spaces + 1;
}

struct span frame_decode(struct span field, char *room, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < field.size && used < size; i++) {
        bool encoded = field.at[i] == '%';
        room[used++] = encoded ? (char)(hex_value(field.at[i + 1]) * 16 + hex_value(field.at[i + 2])) : field.at[i];
        i += encoded ? 2 : 0;
    }
    return (struct span){room, used};
}

static bool is_letter(char byte) {
    return ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* (Runtime|Function)\.[A-Z][A-Za-z]+: Lambda replaces all else by an unknown type. */
bool frame_is_error_type(struct span type) {
    struct span rest = type;
    struct span family = span_cut(&rest, '.');
    if (!span_equal(family, SPAN("Function")) && !span_equal(family, SPAN("Runtime")))
        return false;
    if (rest.size < 2 || rest.size > 256 || rest.at[0] > 'Z')
        return false;
    for (size_t i = 0; i < rest.size; i++)
        if (!is_letter(rest.at[i]))
            return false;
    return true;
}
