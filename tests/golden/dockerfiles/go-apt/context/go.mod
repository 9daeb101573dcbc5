module example.com/it
