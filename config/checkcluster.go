package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// nameMost is the longest name of a cluster or a gateway: they are parts of subjects and of names of NATS streams.
const nameMost = 32

// checkCluster checks the settings of a cluster.
func (c *Config) checkCluster(add func(string, error)) {
	c.checkClusterFiles(add)
	add("CLUSTER_NAME", clusterName(c.ClusterName))
	if c.ClusterNode != "" {
		add("CLUSTER_NODE", clusterName(c.ClusterNode))
	}
	if c.ClusterURL != "" && c.ClusterSecret == "" {
		add("CLUSTER_SECRET", errors.New("must be set too, because CLUSTER_URL is; make one with: openssl rand -hex 32"))
	} else if c.ClusterSecret != "" && len(c.ClusterSecret) < minSecret {
		add("CLUSTER_SECRET", fmt.Errorf("must have %d bytes or more", minSecret))
	}
	if c.ClusterURL == "" {
		return
	}
	add("CLUSTER_URL", natsServers(c.ClusterURL))
	if c.DataDir == "memory" {
		add("DATA_DIR", errors.New("must be a folder, because CLUSTER_URL is set: each gateway of a cluster has the whole log"))
	}
}

func (c *Config) checkClusterFiles(add func(string, error)) {
	for name, file := range map[string]string{
		"CLUSTER_CREDENTIALS": c.ClusterCredentials, "CLUSTER_CA": c.ClusterCA, "CLUSTER_CERT": c.ClusterCert, "CLUSTER_KEY": c.ClusterKey,
	} {
		if file != "" {
			add(name, readable(file))
		}
	}
	switch {
	case c.ClusterCert != "" && c.ClusterKey == "":
		add("CLUSTER_KEY", errors.New("must be set too, because CLUSTER_CERT is"))
	case c.ClusterKey != "" && c.ClusterCert == "":
		add("CLUSTER_CERT", errors.New("must be set too, because CLUSTER_KEY is"))
	}
}

// natsServers checks CLUSTER_URL.
func natsServers(list string) error {
	for server := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return errors.New("must be addresses of NATS servers, comma-separated, such as nats://10.0.0.1:4222 or tls://nats.example.com:4222")
		}
	}
	return nil
}

func clusterName(name string) error {
	if name == "" || len(name) > nameMost || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return fmt.Errorf("must have 1 to %d letters, digits, - or _", nameMost)
	}
	if strings.HasSuffix(name, "_SNAPSHOTS") { // the stream of another cluster's snapshots has such a name
		return errors.New("must not end with _SNAPSHOTS")
	}
	return nil
}
