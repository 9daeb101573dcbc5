Package.swift
