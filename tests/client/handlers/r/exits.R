same <- function(event, context) event

message("exits at load")
quit("no", 3)
