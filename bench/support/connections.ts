import mqtt from "mqtt";
import { capture } from "../../toolchain/process.ts";
import { limitCpu, usedBy, USER, type Side } from "./brokers.ts";

const SECONDS = 3;
/** Enough that the clients' share of the work does not bound the broker's. */
const CLIENTS = 2;
const IDLE = 300;

/** Full handshakes a second by OpenSSL's `s_time`, with a sixteenth of a CPU for the broker, and how many a second of the broker's processor makes. */
export async function connectionsPerSecond({ broker }: Side): Promise<Record<string, number>> {
    await limitCpu(broker, "share");
    const target = `127.0.0.1:${await broker.port()}`;
    const before = await usedBy(broker);
    const begun = performance.now();
    const runs = await Promise.all(
        Array.from({ length: CLIENTS }, () =>
            capture(["openssl", "s_time", "-connect", target, "-new", "-time", String(SECONDS)]),
        ),
    );
    const seconds = (performance.now() - begun) / 1000;
    const { cpu } = await usedBy(broker);
    const count = runs.reduce((sum, { stdout, stderr }) => {
        const made = /^(\d+) connections in \d+ real seconds/m.exec(stdout);
        if (!made) throw new Error(`openssl s_time: ${stdout}${stderr}`);
        return sum + Number(made[1]);
    }, 0);
    return { "": count / seconds, "per second of the broker's CPU": count / (cpu - before.cpu) };
}

/** Kilobytes that the broker holds for each of many idle clients, which are MQTT.js's. */
export async function memoryPerConnection({
    broker,
    caPem,
}: Side): Promise<Record<string, number>> {
    await limitCpu(broker, "all");
    const port = await broker.port();
    const before = await usedBy(broker);
    const clients = await Promise.all(
        Array.from({ length: IDLE }, (_, at) =>
            mqtt.connectAsync({
                ...{ protocol: "mqtts", host: "127.0.0.1", port, ca: caPem, ...USER },
                ...{ clientId: `idle-${at}`, reconnectPeriod: 0, connectTimeout: 60_000 },
            }),
        ),
    );
    const { mb } = await usedBy(broker);
    await Promise.all(clients.map((one) => one.endAsync()));
    return { kB: ((mb - before.mb) * 1024) / IDLE };
}
