import mqtt from "mqtt";
import { capture } from "../../../lib/process.ts";
import { limitCpu, sharePercent, usedBy, USER, type Side } from "./brokers.ts";

const SECONDS = 4;
/** Enough clients that they are not the bottleneck. */
const CLIENTS = 4;
const IDLE = 300;
const TOGETHER = 30;

/**
 * Counts full handshakes a second by OpenSSL's `s_time`, with Fly's least share of a CPU for the
 * broker. Also reports handshakes per second of its CPU time, and how much of its share it used.
 */
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
    return {
        "": count / seconds,
        "per second of the broker's CPU": count / (cpu - before.cpu),
        "% of its share used": sharePercent(cpu - before.cpu, seconds),
    };
}

/**
 * Measures the kilobytes that a broker holds for each of many idle MQTT.js clients. Restarts the
 * broker, which would otherwise reuse memory that it already holds.
 */
export async function memoryPerConnection({
    broker,
    caPem,
}: Side): Promise<Record<string, number>> {
    await limitCpu(broker, "all");
    await broker.stop();
    await broker.start();
    const port = await broker.port();
    const before = await usedBy(broker);
    const clients: mqtt.MqttClient[] = [];
    // In groups: connections beyond a listener's backlog may be reset.
    for (let at = 0; at < IDLE; at += TOGETHER) {
        const group = Array.from({ length: TOGETHER }, (_, one) =>
            mqtt.connectAsync({
                ...{ protocol: "mqtts", host: "127.0.0.1", port, ca: caPem, ...USER },
                ...{ clientId: `idle-${at + one}`, reconnectPeriod: 100, connectTimeout: 60_000 },
            }),
        );
        clients.push(...(await Promise.all(group)));
    }
    const { mb } = await usedBy(broker);
    await Promise.all(clients.map((one) => one.endAsync()));
    return { kB: ((mb - before.mb) * 1024) / IDLE };
}
