proc same {event context} { return $event }

error "broken at load"
