//! A real browser without a window, driven through the DevTools protocol over a pair of named pipes: its input events
//! are the ones a hand would make, with hit testing, focus and gestures.
#![allow(dead_code, reason = "each test program uses a part of it")]

use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long the browser may take for anything: a failing test ends, a slow machine does not fail it.
const PATIENCE: Duration = Duration::from_secs(120);
/// One browser at a time: several on a small machine only slow one another down.
static TURN: Mutex<()> = Mutex::new(());

/// One page in a browser of its own.
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// Errors that the page's program did not catch.
    pub problems: Vec<String>,
    _profile: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Modifier keys, as the protocol counts them.
pub const SHIFT: u32 = 8;
/// As [`SHIFT`].
pub const CTRL: u32 = 2;

impl Browser {
    /// Starts a browser whose page has `width` × `height` pixels; `None`, with a note, where there is none.
    pub fn start(width: u32, height: u32) -> Option<Self> {
        let named = std::env::var("DAMO_BROWSER").ok();
        let known = ["chromium", "chromium-browser", "google-chrome", "chrome"].map(str::to_owned);
        let runs =
            |name: &String| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        let Some(program) = named.into_iter().chain(known).find(runs) else {
            eprintln!(
                "note: no Chromium here (scripts/setup installs it where it can; $DAMO_BROWSER names one): skipped"
            );
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let profile = tempfile::tempdir().expect("temporary directory");
        let pipes = ["to", "from"].map(|name| profile.path().join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().expect("mkfifo").success());
        let child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<"$TO" 4>"$FROM""#, &program])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .env("TO", &pipes[0])
            .env("FROM", &pipes[1])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        // The shell opens its ends in this order, and each waits for the other side.
        let to = OpenOptions::new().write(true).open(&pipes[0]).expect("pipe to the browser");
        let out = File::open(&pipes[1]).expect("pipe from the browser");
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let (session, last, problems) = (None, 0, Vec::new());
        let mut browser = Self { child, to, from, session, last, problems, _profile: profile, _turn: turn };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", json!({}));
        browser.call("Runtime.enable", json!({}));
        browser.resize(width, height);
        Some(browser)
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser takes a message");
        loop {
            let answer = self.from.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{method}: the browser is silent"));
            if answer["method"] == "Runtime.exceptionThrown" {
                self.problems.push(answer["params"]["exceptionDetails"].to_string());
            }
            if answer["id"] == self.last {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// The size of the page.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Opens a report, with `fragment` (`#…` or nothing) behind its address, and waits until it is up.
    pub fn open(&mut self, page: &Path, fragment: &str) {
        // A change of the fragment alone would not load the page again.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.wait_for("location.href === 'about:blank'");
        self.call("Page.navigate", json!({"url": format!("file://{}{fragment}", page.display())}));
        self.wait_for("document.documentElement?.dataset.ready === 'yes'");
        self.frame();
    }

    /// The value of an expression in the page, which sees what the page's program declared.
    pub fn eval(&mut self, expression: &str) -> Value {
        let wanted = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", wanted);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// As [`Browser::eval`], of a number.
    pub fn number(&mut self, expression: &str) -> f64 {
        let value = self.eval(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression} is no number: {value}"))
    }

    /// As [`Browser::eval`], of a string.
    pub fn text(&mut self, expression: &str) -> String {
        let value = self.eval(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is no text: {value}")).to_owned()
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.eval(expression) != true {
            // A program that stopped makes nothing true any more: no need to wait.
            assert!(self.problems.is_empty(), "not true: {expression}; problems: {:?}", self.problems);
            assert!(begun.elapsed() < PATIENCE, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until what was changed is drawn.
    pub fn frame(&mut self) {
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /// A mouse event: `mouseMoved`, `mousePressed`, `mouseReleased`.
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64), modifiers: u32) {
        let held = u32::from(kind != "mouseReleased");
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({"type": kind, "x": x, "y": y, "button": button, "buttons": held, "clickCount": 1, "modifiers": modifiers});
        self.call("Input.dispatchMouseEvent", event);
    }

    /// The pointer, without a button.
    pub fn point(&mut self, (x, y): (f64, f64)) {
        self.call("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": x, "y": y}));
        self.frame();
    }

    /// Press, move, release.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64), modifiers: u32) {
        let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        self.mouse("mousePressed", from, modifiers);
        for at in [middle, to] {
            let event = json!({"type": "mouseMoved", "x": at.0, "y": at.1, "button": "left", "buttons": 1, "modifiers": modifiers});
            self.call("Input.dispatchMouseEvent", event);
        }
        self.mouse("mouseReleased", to, modifiers);
        self.frame();
    }

    /// Turns the wheel: negative is away from the user.
    pub fn wheel(&mut self, (x, y): (f64, f64), turned: f64, modifiers: u32) {
        let event =
            json!({"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": turned, "modifiers": modifiers});
        self.call("Input.dispatchMouseEvent", event);
        self.frame();
    }

    /// Fingers on the page: `touchStart`, `touchMove`, `touchEnd`.
    pub fn touch(&mut self, kind: &str, fingers: &[(f64, f64)]) {
        let points = fingers.iter().enumerate().map(|(id, (x, y))| json!({"x": x, "y": y, "id": id}));
        self.call("Input.dispatchTouchEvent", json!({"type": kind, "touchPoints": points.collect::<Vec<_>>()}));
        self.frame();
    }

    /// Presses a key: a character, or a name such as `ArrowLeft`.
    pub fn key(&mut self, key: &str, modifiers: u32) {
        let code = match key {
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            "Tab" => 9,
            "Escape" => 27,
            _ => 0,
        };
        let mut down = json!({"type": "rawKeyDown", "key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code});
        if key.chars().count() == 1 {
            down["type"] = "keyDown".into();
            down["text"] = key.into();
        }
        self.call("Input.dispatchKeyEvent", down);
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key, "modifiers": modifiers}));
        self.frame();
    }

    /// Clicks an element.
    pub fn click(&mut self, selector: &str) {
        let at = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'nearest'}}); \
             const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; }})()"
        ));
        let at = (at[0].as_f64().expect("x"), at[1].as_f64().expect("y"));
        self.mouse("mousePressed", at, 0);
        self.mouse("mouseReleased", at, 0);
        self.frame();
    }

    /// Leaves a picture of the page at `$DAMO_SCREENSHOTS/name.png`, if that is set: to be looked at.
    pub fn screenshot(&mut self, name: &str) {
        let Some(directory) = std::env::var_os("DAMO_SCREENSHOTS") else { return };
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        save(&answer, &Path::new(&directory).join(format!("{name}.png")));
    }
}

/// Puts the base64 data of an answer into a file.
pub fn save(answer: &Value, path: &Path) {
    let mut decoder =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(File::create(path).expect("file")).spawn();
    let decoder = decoder.as_mut().expect("base64");
    let data = answer["data"].as_str().expect("data");
    decoder.stdin.take().expect("stdin").write_all(data.as_bytes()).expect("base64 takes it");
    assert!(decoder.wait().expect("base64").success());
}

impl Drop for Browser {
    fn drop(&mut self) {
        // What the browser says to this, or whether it still lives, does not matter.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
