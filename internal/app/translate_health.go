package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/health"
)

func healthCheckOf(h *config.HealthCheck) *health.Check {
	if h == nil {
		return nil
	}
	return &health.Check{
		Type:               h.Type,
		CheckInterval:      time.Duration(h.CheckInterval),
		Timeout:            time.Duration(h.Timeout),
		HealthyThreshold:   h.HealthyThreshold,
		UnhealthyThreshold: h.UnhealthyThreshold,
		StrictStart:        !h.FastStart,
		FlapDamping:        h.FlapDamping,
		PortSpecification:  h.PortSpecification,
		Port:               h.Port,
		PortName:           h.PortName,
		Host:               h.Host,
		RequestPath:        h.RequestPath,
		Request:            h.Request,
		Response:           h.Response,
		StrictResponse:     h.StrictResponse,
		GRPCServiceName:    h.GRPCServiceName,
		ProxyHeader:        h.ProxyHeader,
		LogResults:         h.LogConfig.Enable,
	}
}
