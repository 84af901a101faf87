//! nginx on the stage: a service with files, and the measure for what a plain reverse proxy costs.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::service::{Account, START_WAIT_MAX, Service, free_port, until};
use crate::tools;

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    folder: TempDir,
    /// Held for its end: it stops when dropped.
    _service: Service,
}

impl Nginx {
    /// Starts a server of files: what lies in [`Nginx::file`] can be fetched, and put below `/up/`.
    ///
    /// # Errors
    /// When nginx is not on the machine or does not start.
    pub fn with_files() -> Result<Self> {
        Self::with_files_in(&std::env::temp_dir())
    }

    /// Starts a server of files that lie in a folder of its own below this one.
    ///
    /// # Errors
    /// As [`Nginx::with_files`].
    pub fn with_files_in(place: &Path) -> Result<Self> {
        Self::start(
            place,
            "location / { root files; gzip on; gzip_types text/plain; gzip_min_length 256; gzip_proxied any; }\n\
             location /up/ { root files; dav_methods PUT DELETE; create_full_put_path on; }\n\
             location /full { return 507 'no room'; }",
            "",
        )
    }

    /// Starts a reverse proxy before another server, in plaintext, with connections kept open and
    /// bodies passed on as they come.
    ///
    /// # Errors
    /// As [`Nginx::with_files`].
    pub fn before(port: u16) -> Result<Self> {
        let proxy = "location / { proxy_pass http://behind; proxy_http_version 1.1; \
                     proxy_set_header Connection ''; proxy_buffering off; proxy_request_buffering off; }";
        let behind = format!("upstream behind {{ server 127.0.0.1:{port}; keepalive 64; }}");
        Self::start(&std::env::temp_dir(), proxy, &behind)
    }

    fn start(place: &Path, locations: &str, further: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("tidegate-nginx-")
            .tempdir_in(place)?;
        let place = folder.path();
        fs::create_dir(place.join("files"))?;
        let port = free_port()?;
        // Workers of a server that root starts are somebody else, who may not enter the folder.
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {}/{what};\n", place.display()))
            .concat();
        fs::write(
            place.join("nginx.conf"),
            format!(
                "{user}\ndaemon off;\nworker_processes 2;\npid {0}/pid;\nerror_log stderr warn;\n\
                 events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\nsendfile on;\n{kept}\
                 types {{ text/plain txt; application/json json; }}\ndefault_type application/octet-stream;\n\
                 client_max_body_size 0;\nkeepalive_requests 1000000;\n{further}\n\
                 server {{ listen 127.0.0.1:{port};\n{locations}\n}}\n}}\n",
                place.display()
            ),
        )?;
        let mut command = Account::Own.command(&tools::on_path("nginx")?)?;
        command
            .arg("-p")
            .arg(place)
            .arg("-c")
            .arg(place.join("nginx.conf"))
            .args(["-e", "stderr"]);
        let mut service = Service::start("nginx", &mut command, &place.join("log"), Signal::TERM)?;
        until(START_WAIT_MAX, "nginx", || {
            service.check_running()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })?;
        Ok(Self {
            port,
            folder,
            _service: service,
        })
    }

    /// Returns its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns where a file lies that is fetched as `/NAME`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }
}
