package monitoring

import (
	"errors"
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Grafana's own types read the dashboard: no field that they do not know, none missing that they need,
// the panels' and the queries' of Prometheus among them.
func TestGrafanaReadsTheDashboard(t *testing.T) {
	raw, err := os.ReadFile(os.Getenv("DASHBOARD"))
	if err != nil {
		t.Fatal(err)
	}
	plugins.RegisterDefaultPlugins()
	var read dashboard.Dashboard
	for _, err := range []error{read.UnmarshalJSONStrict(raw), read.Validate()} {
		// An empty list of errors is given where there is none.
		var list cog.BuildErrors
		if err != nil && !(errors.As(err, &list) && len(list) == 0) {
			t.Fatal(err)
		}
	}
	if len(read.Panels) == 0 {
		t.Fatal("it has no panel")
	}
}
