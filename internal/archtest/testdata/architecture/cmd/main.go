// Command chatsdk is planted: its goroutines end with the process.
package main

func main() { go main() }
