src/Function.cs
