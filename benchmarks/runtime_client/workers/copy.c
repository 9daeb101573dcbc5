/* A program for one event: copies it from stdin to stdout. */
#include <unistd.h>

int main(void)
{
    static char piece[65536];
    for (ssize_t size; (size = read(0, piece, sizeof piece)) > 0;)
        for (ssize_t at = 0, sent; at < size; at += sent)
            if ((sent = write(1, piece + at, (size_t)(size - at))) < 0)
                return 1;
    return 0;
}
