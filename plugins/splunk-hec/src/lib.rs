//! splunk-hec.
