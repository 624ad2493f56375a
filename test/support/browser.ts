/** A real headless browser, on a page that uses MQTT.js' browser bundle. */
import { execFile } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "node:tls";
import { ROOT } from "../../lib/paths.ts";

const BUNDLE = path.join(ROOT, "node_modules", "mqtt", "dist", "mqtt.min.js");

/**
 * For root there is no sandbox. The other options keep it from contacting its maker's servers, and from
 * needing a display.
 */
const FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
];
const PATIENCE_MS = 60_000;

export interface PageArgs {
    /** `wss://…` */
    url: string;
    /** The address to use for the URL's host name. */
    address: string;
    username: string;
    password: string;
    topic: string;
    payload: string;
}

/**
 * Opens a page that connects, subscribes, publishes, and shows the received message or the error. The browser
 * checks the server's certificate by its key only.
 *
 * @returns what the page shows: the text of its element `result`
 */
export async function runPage(args: PageArgs): Promise<string> {
    const { hostname, port } = new URL(args.url);
    const key = await publicKeyHash(hostname, args.address, Number(port || 443));
    // The page counts as loaded when its picture is, which the server delays until the page is done.
    let done: () => void = () => undefined;
    const result = new Promise<void>((resolve) => (done = resolve));
    const server = createServer((request, response) => {
        if (request.url === "/mqtt.js") {
            response.setHeader("content-type", "text/javascript");
            response.end(readFileSync(BUNDLE));
        } else if (request.url === "/done") {
            done();
            response.end();
        } else if (request.url === "/picture") {
            void result.then(() => response.writeHead(404).end());
        } else {
            response.setHeader("content-type", "text/html");
            response.end(page(args));
        }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const home = mkdtempSync(path.join(tmpdir(), "appkata-browser-"));
    try {
        const { port: pagePort } = server.address() as AddressInfo;
        const dom = await chromium([
            ...FLAGS,
            `--user-data-dir=${home}`,
            `--host-resolver-rules=MAP ${hostname} ${args.address}`,
            `--ignore-certificate-errors-spki-list=${key}`,
            "--dump-dom",
            `http://127.0.0.1:${pagePort}/`,
        ]);
        return /<p id="result">([^<]*)<\/p>/.exec(dom)?.[1] ?? `no result in ${dom}`;
    } finally {
        done();
        server.close();
        server.closeAllConnections();
        rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    }
}

function page({ url, username, password, topic, payload }: PageArgs): string {
    const values = JSON.stringify({ url, username, password, topic, payload });
    return `<!doctype html>
<p id="result"></p>
<img src="/picture">
<script src="/mqtt.js"></script>
<script>
const { url, username, password, topic, payload } = ${values};
function show(text) {
    document.getElementById("result").textContent = text;
    client.end(true);
    fetch("/done");
}
const client = mqtt.connect(url, { username, password, reconnectPeriod: 0 });
client.on("error", (error) => show("error: " + error.message));
client.on("close", () => show(document.getElementById("result").textContent || "closed"));
client.on("message", (from, message) => show("received " + message + " from " + from));
client.on("connect", async () => {
    await client.subscribeAsync(topic, { qos: 1 });
    await client.publishAsync(topic, payload, { qos: 1 });
});
</script>`;
}

/** Prints the page's DOM after it has loaded. */
function chromium(args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
        const options = { timeout: PATIENCE_MS, killSignal: "SIGKILL" } as const;
        execFile("chromium", args, options, (error, stdout, stderr) => {
            if (error) reject(new Error(`chromium: ${error.message}\n${stderr.slice(-2000)}`));
            else resolve(stdout);
        });
    });
}

/** SHA-256 of a server's public key, in base64. */
function publicKeyHash(servername: string, host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
        // Nothing is sent: only the certificate is read.
        const socket = connect({ host, port, servername, rejectUnauthorized: false }, () => {
            const { publicKey } = new X509Certificate(socket.getPeerCertificate().raw);
            const der = publicKey.export({ type: "spki", format: "der" });
            resolve(createHash("sha256").update(der).digest("base64"));
            socket.destroy();
        });
        socket.once("error", reject);
    });
}
