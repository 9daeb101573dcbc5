# JSON for Tcl, whose values have no types (RFC 8259): lambda::decode reads it, the others write it.
#
# decode gives dicts for objects, lists for arrays, texts for all else: a number as it is written, true, false, null.
# string, array and object write texts: lambda::object name [lambda::string $name] sizes [lambda::array 1 2].
namespace eval lambda {
    namespace export decode string array object
    variable decoded {}
}

# A value of a text, the whole of it; raises {JSON} with what is wrong and where. The event has been decoded already.
proc lambda::decode {text} {
    variable decoded
    if {$decoded ne "" && [lindex $decoded 0] eq $text} { return [lindex $decoded 1] }
    lassign [Value $text [Skip $text 0] 0] value at
    set at [Skip $text $at]
    if {$at < [::string length $text]} { Broken "more than one value" $at }
    return $value
}

# A text as a JSON text, with its quotes.
proc lambda::string {text} {
    set quoted [::string map {\" \\\" \\ \\\\ \b \\b \f \\f \n \\n \r \\r \t \\t} $text]
    while {[regexp -indices {[\u0000-\u001f\u007f]} $quoted at]} {
        set code [scan [::string index $quoted [lindex $at 0]] %c]
        set quoted [::string replace $quoted {*}$at [format {\u%04x} $code]]
    }
    return "\"$quoted\""
}

# An array of values that are JSON already.
proc lambda::array {args} { return "\[[join $args ,]\]" }

# An object: names, each with a value that is JSON already.
proc lambda::object {args} {
    set members {}
    foreach {name value} $args { lappend members [string $name]:$value }
    return "{[join $members ,]}"
}

proc lambda::Broken {what at} { return -code error -errorcode JSON "$what at character $at" }

proc lambda::Skip {text at} {
    while {[::string index $text $at] in {" " \t \n \r}} { incr at }
    return $at
}

proc lambda::Value {text at depth} {
    switch -- [::string index $text $at] {
        \" { return [Text $text $at] }
        \{ { return [Several $text $at \} $depth] }
        \[ { return [Several $text $at \] $depth] }
    }
    if {[regexp -start $at {\A(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)} $text word]} {
        return [list $word [expr {$at + [::string length $word]}]]
    }
    Broken "no value" $at
}

proc lambda::Several {text at end depth} {
    if {$depth > 200} { Broken "more than 200 levels" $at }
    set values {}
    set at [Skip $text [incr at]]
    if {[::string index $text $at] eq $end} { return [list $values [incr at]] }
    while 1 {
        if {$end eq "\}"} {
            lassign [Text $text $at] name at
            set at [Skip $text $at]
            if {[::string index $text $at] ne ":"} { Broken "no :" $at }
            set at [Skip $text [incr at]]
        }
        lassign [Value $text $at [expr {$depth + 1}]] value at
        if {$end eq "\}"} { dict set values $name $value } else { lappend values $value }
        set at [Skip $text $at]
        set mark [::string index $text $at]
        if {$mark eq $end} { return [list $values [incr at]] }
        if {$mark ne ","} { Broken "no , or $end" $at }
        set at [Skip $text [incr at]]
    }
}

# JSON's escapes mean the same in Tcl, which also joins the halves of a surrogate pair.
proc lambda::Text {text at} {
    if {![regexp -start $at {\A"((?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"} $text all inner]} {
        Broken "no text" $at
    }
    set at [expr {$at + [::string length $all]}]
    if {[::string first \\ $inner] < 0} { return [list $inner $at] }
    return [list [subst -nocommands -novariables $inner] $at]
}
