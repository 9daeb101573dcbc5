# The event as lists, and the context; what is returned is the answer.
handle <- function(event, context) {
  values <- as.numeric(unlist(event$values))
  if (!length(values)) stop("the event has no values")
  list(n = length(values), mean = mean(values), median = stats::median(values))
}
