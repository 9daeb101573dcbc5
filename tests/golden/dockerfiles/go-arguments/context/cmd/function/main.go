cmd/function/main.go
