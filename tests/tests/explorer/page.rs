//! One page of the browser, in the words of whoever looks at it.

use crate::browser::{Browser, Log};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that something may take to appear.
const APPEAR_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(15);
/// Where pictures go, if anywhere: a directory.
const PICTURES: &str = "EXPLORER_PICTURES";

/// A page in a context of its own. It is closed when the value is dropped.
pub(crate) struct Page {
    browser: &'static Browser,
    context: String,
    session: String,
    log: Log,
}

impl Page {
    /// A page that shows nothing yet.
    pub(crate) async fn new() -> Self {
        let browser = Browser::shared();
        let made = browser.call("", "Target.createBrowserContext", json!({})).await;
        let context = made["browserContextId"].as_str().unwrap().to_owned();
        let params = json!({"url": "about:blank", "browserContextId": context});
        let target = browser.call("", "Target.createTarget", params).await["targetId"].clone();
        let params = json!({"targetId": target, "flatten": true});
        let attached = browser.call("", "Target.attachToTarget", params).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let page = Self { browser, context, log: browser.log(&session), session };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            page.call(domain, json!({})).await;
        }
        page.size(1280, 900).await;
        page
    }

    /// A page that shows `url`.
    pub(crate) async fn open(url: &str) -> Self {
        let page = Self::new().await;
        page.go(url).await;
        page
    }

    /// A command of the browser's protocol.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        self.browser.call(&self.session, method, params).await
    }

    /// Opens a URL.
    pub(crate) async fn go(&self, url: &str) {
        let gone = self.call("Page.navigate", json!({"url": url})).await;
        assert_eq!(gone["errorText"], Value::Null, "{url}");
        self.wait("document.readyState === 'complete'").await;
    }

    /// Goes to a place of the explorer, as a link would.
    pub(crate) async fn hash(&self, hash: &str) {
        self.eval(&format!("location.hash = {}", json!(hash))).await;
    }

    /// The value of an expression, which may be a promise.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let told = self.call("Runtime.evaluate", params).await;
        assert_eq!(told["exceptionDetails"], Value::Null, "{expression}");
        told["result"]["value"].clone()
    }

    /// What an async function with the explorer's modules gives: `body` calls `load("item.js")`.
    pub(crate) async fn run(&self, body: &str) -> Value {
        self.eval(&format!(
            "(async () => {{
               const at = document.querySelector('script[type=module]').src;
               const load = (name) => import(new URL(name, at));
               const unb64 = (await load('bytes.js')).unb64;
               {body}
             }})()"
        ))
        .await
    }

    /// Whether an expression is true by now; what it speaks of may not be there yet.
    async fn holds(&self, expression: &str) -> bool {
        let tried = format!(
            "(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"
        );
        self.eval(&tried).await == true
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let until = Instant::now() + APPEAR_MAX;
            while !self.holds(expression).await {
                if Instant::now() > until {
                    let shown = self.text("body").await;
                    panic!(
                        "{caller}: never {expression}; the page shows:\n{shown}\n{:?}",
                        self.complaints()
                    );
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Waits until the page shows a text.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> impl Future<Output = ()> {
        let expression = format!("document.body.innerText.includes({})", json!(text));
        let caller = std::panic::Location::caller();
        async move {
            let until = Instant::now() + APPEAR_MAX;
            while !self.holds(&expression).await {
                if Instant::now() > until {
                    let shown = self.text("body").await;
                    panic!("{caller}: never {text:?}, but:\n{shown}\n{:?}", self.complaints());
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// The visible text of the first element that a selector names; empty if there is none.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = format!("document.querySelector({})?.innerText ?? ''", json!(selector));
        self.eval(&text).await.as_str().unwrap().to_owned()
    }

    /// How many elements a selector names.
    pub(crate) async fn count(&self, selector: &str) -> u64 {
        let all = format!("document.querySelectorAll({}).length", json!(selector));
        self.eval(&all).await.as_u64().unwrap()
    }

    /// Clicks.
    pub(crate) async fn click(&self, selector: &str) {
        self.eval(&format!("document.querySelector({}).click()", json!(selector))).await;
    }

    /// Presses a key, as in `j`, `/` or `Enter`.
    pub(crate) async fn key(&self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { key };
        let down = if key.len() == 1 || key == "Enter" {
            json!({"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code})
        } else {
            json!({"type": "rawKeyDown", "key": key, "windowsVirtualKeyCode": code})
        };
        self.call("Input.dispatchKeyEvent", down).await;
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Types a text where the cursor is.
    pub(crate) async fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Sets the size of the screen, in CSS pixels.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let phone = width < 600;
        let params =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// Chooses what the device prefers, as in `("prefers-color-scheme", "dark")`.
    pub(crate) async fn prefer(&self, name: &str, value: &str) {
        let params = json!({"features": [{"name": name, "value": value}]});
        self.call("Emulation.setEmulatedMedia", params).await;
    }

    /// Takes the device off the network, or puts it back.
    pub(crate) async fn offline(&self, offline: bool) {
        self.call("Network.enable", json!({})).await;
        let params = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.call("Network.emulateNetworkConditions", params).await;
    }

    /// Takes a picture of the whole page, where somebody wants to look at it.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(dir) = std::env::var_os(PICTURES) else { return };
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.call("Page.captureScreenshot", params).await;
        let png = base64_simd::STANDARD.decode_to_vec(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), png).unwrap();
    }

    /// What went wrong on the page: exceptions, and what the browser refused to load or do. Answers that are
    /// no 2xx are none of it.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.log.lock();
        let is_complaint = |message: &&Value| match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => message["params"]["entry"]["source"] != "network",
            _ => false,
        };
        log.iter().filter(is_complaint).map(Value::to_string).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let params = json!({"browserContextId": self.context});
        drop(self.browser.send("", "Target.disposeBrowserContext", &params));
    }
}

/// Tells a measurement to whoever runs the tests with `--nocapture`.
#[allow(clippy::disallowed_macros, reason = "what was measured is for people")]
pub(crate) fn note(text: &str) {
    println!("{text}");
}
