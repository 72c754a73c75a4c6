package lb

// Takes reports whether the endpoint with this ID takes new traffic.
func (s *Snapshot) Takes(id string) bool {
	i, ok := s.byID(id)
	return ok && s.Candidates[i].Share > 0
}
