package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"
)

// The parts of CycloneDX that are made use of.
// Format: https://cyclonedx.org/docs/1.6/json/
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []licence  `json:"licenses,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Expression string `json:"expression"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// bill writes the package's bill of materials: its programs, what each links, and
// under which licence.
func (o order) bill(to io.Writer) error {
	purl := fmt.Sprintf("pkg:deb/latchd/%s@%s?arch=%s", o.name, url.QueryEscape(o.version), o.arch)
	b := bom{Format: "CycloneDX", SpecVersion: "1.6", Version: 1, Metadata: metadata{
		Timestamp: o.at.Format(time.RFC3339),
		Component: component{Type: "application", Ref: purl, PURL: purl, Name: o.name, Version: o.version, Licenses: []licence{{apache}}},
	}}
	whole := dependency{Ref: purl}
	var programs []dependency
	for _, p := range o.programs {
		ref := "program:" + p.name
		b.Components = append(b.Components, component{Type: "application", Ref: ref, Name: p.name, Version: o.version,
			Hashes: []hash{{"SHA-256", p.sha256}}, Licenses: []licence{{apache}}})
		whole.DependsOn = append(whole.DependsOn, ref)
		links := dependency{Ref: ref}
		for _, m := range p.modules {
			links.DependsOn = append(links.DependsOn, m.purl())
		}
		programs = append(programs, links)
	}
	for _, m := range o.modules() {
		c := component{Type: "library", Ref: m.purl(), PURL: m.purl(), Name: m.path, Version: m.version, Licenses: []licence{{m.licence}}}
		if m.sum != "" {
			c.Properties = []property{{"go.sum", m.sum}}
		}
		b.Components = append(b.Components, c)
	}
	b.Dependencies = append([]dependency{whole}, programs...)
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(b)
}

// purl is the module's package URL.
func (m module) purl() string { return "pkg:golang/" + m.path + "@" + url.QueryEscape(m.version) }
