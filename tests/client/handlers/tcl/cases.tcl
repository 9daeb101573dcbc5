proc same {event context} { return $event }

proc text_or_null {text} { return [expr {$text eq "" ? "null" : [lambda::string $text]}] }

proc context {event context} {
    dict with context {}
    return [lambda::object id [lambda::string $aws_request_id] arn [lambda::string $invoked_function_arn] \
        trace [text_or_null [expr {[info exists ::env(_X_AMZN_TRACE_ID)] ? $::env(_X_AMZN_TRACE_ID) : ""}]] \
        tenant [text_or_null $tenant_id] client_context [expr {$client_context eq "" ? "null" : $client_context}] \
        cognito [expr {$identity eq "" ? "null" : $identity}] function [lambda::string $function_name] \
        version [lambda::string $function_version] memory $memory_limit_in_mb remaining [lambda::remaining $context]]
}

proc member {event name {otherwise ""}} {
    set event [lambda::decode $event]
    return [expr {[dict exists $event $name] ? [dict get $event $name] : $otherwise}]
}

proc fail {event context} {
    if {[member $event message] ne ""} { error [member $event message] }
    return {"fine"}
}

proc leave {event context} {
    if {[member $event code] eq ""} { return {"here"} }
    puts stderr "leaving on purpose"
    exit [member $event code]
}

proc killed {event context} {
    if {[member $event kill] ne ""} { exec kill -KILL [pid] }
    return {"alive"}
}

proc forks {event context} {
    if {[member $event code] eq ""} { return {"here"} }
    exec sleep 60 >/dev/null 2>/dev/null &
    exit [member $event code]
}

proc hang {event context} {
    while {[member $event hang] ne ""} { after 1000 }
    return {"quick"}
}

proc big {event context} { return [lambda::string [string repeat x [member $event size]]] }

proc logs {event context} {
    for {set line 0} {$line < [member $event lines 0]} {incr line} { puts stderr [string repeat l 999] }
    puts [member $event out]
    puts stderr [member $event err]
    return {"logged"}
}

proc whole_range {event context} {
    for {set byte 0} {$byte < 256} {incr byte} { append bytes [format %c $byte] }
    return -content_type application/octet-stream $bytes
}

proc stream {event context} {
    yield one
    if {[member $event fail] ne ""} { error "half way" }
    yield two
    yield three
}

proc web {event context} {
    lambda::http 201 x-test yes
    yield made
}
