package tcp_test

func init() { drivers = append(drivers, onLoop) }
