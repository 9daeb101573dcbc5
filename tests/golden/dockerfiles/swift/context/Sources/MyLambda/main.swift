Sources/MyLambda/main.swift
