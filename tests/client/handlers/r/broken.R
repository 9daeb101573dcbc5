same <- function(event, context) event

stop("broken at load")
