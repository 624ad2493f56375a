/**
 * Refuses settings that would replace the deployed app or volume, and names the settings that allow it.
 * The providers' own checks miss cases: for a replacement by `--replace` or a taint the engine gives them
 * no old inputs.
 */
import { replacementProblem } from "../providers/fly/volume/rules.ts";
import type { Deployed } from "./deployed.ts";
import type { Settings } from "./settings.ts";

export function replacementProblems(deployed: Deployed, settings: Settings): string[] {
    return [appProblem(deployed, settings), volumeProblem(deployed, settings)].filter(
        (problem) => problem !== undefined,
    );
}

function appProblem({ appName: before }: Deployed, settings: Settings): string | undefined {
    const { appName, volume, clientsShutOut } = settings;
    if (before === undefined || appName === undefined || before === appName) return undefined;
    const missing = [
        ...(volume.onReplace === "discard" ? [] : ["volumeReplacement discard"]),
        ...(clientsShutOut === "allow" ? [] : ["clientsShutOut allow"]),
        ...(volume.protect ? ["protectVolume false"] : []),
    ];
    return missing.length === 0
        ? undefined
        : `appName: "${before}" → "${appName}" replaces the app with all it holds: its volume with the ` +
              "data, and the host name and addresses by which clients find the broker; to keep the data, " +
              `take a snapshot first (docs/data.md); if that is intended: ${commands(missing)}`;
}

function volumeProblem({ volume: before }: Deployed, settings: Settings): string | undefined {
    const { region, volume } = settings;
    if (before === undefined) return undefined;
    // `appProblem` handles a change of app.
    const { name, sizeGb, onReplace } = volume;
    const news = { name, region, sizeGb, onReplace, endpoint: settings.endpoint, app: before.app };
    const problem = replacementProblem(before, news);
    if (problem !== undefined) return problem;
    const [key] = (["name", "region"] as const).filter((one) => before[one] !== news[one]);
    return key !== undefined && volume.protect
        ? `${key}: "${before[key]}" → "${news[key]}" replaces the volume and its machine, and protectVolume ` +
              `is true; if that is intended: ${commands(["protectVolume false"])}`
        : undefined;
}

function commands(settings: string[]): string {
    return settings.map((setting) => `\`pulumi config set appkata-mqtt:${setting}\``).join(", ");
}
