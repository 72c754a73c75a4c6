package http

func (x *exchange) tunnel() *failure { return upgradeFailed }
