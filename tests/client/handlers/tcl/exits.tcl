proc same {event context} { return $event }

puts stderr "exits at load"
exit 3
