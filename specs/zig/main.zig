// One event: JSON on stdin, the answer on stdout. A return with an error is a failed event, its trace is in the log.
const std = @import("std");

const Event = struct { name: []const u8 };

pub fn main() !void {
    var arena = std.heap.ArenaAllocator.init(std.heap.page_allocator);
    defer arena.deinit();
    const memory = arena.allocator();

    const text = try std.fs.File.stdin().readToEndAlloc(memory, 7 * 1024 * 1024); // an event has at most 6 MB
    const event = try std.json.parseFromSliceLeaky(Event, memory, text, .{ .ignore_unknown_fields = true });
    const greeting = std.posix.getenv("GREETING") orelse "Hello";
    const message = try std.fmt.allocPrint(memory, "{s}, {s}!", .{ greeting, event.name });

    const answer = try std.fmt.allocPrint(memory, "{f}", .{std.json.fmt(.{ .message = message }, .{})});
    try std.fs.File.stdout().writeAll(answer);
}
