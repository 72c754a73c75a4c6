//go:build !linux

package main

import "fmt"

func main() { fmt.Println("health: this benchmark needs the loopback network and /proc of Linux") }
