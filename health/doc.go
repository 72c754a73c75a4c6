// Package health says which endpoints are well.
package health
