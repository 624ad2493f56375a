export interface Region {
    code: string;
    name: string;
    latitude: number;
    longitude: number;
    geo_region: string;
}

const row = (
    code: string,
    name: string,
    latitude: number,
    longitude: number,
    geo_region: string,
): Region => ({ code, name, latitude, longitude, geo_region });

/** Fly's regions since the consolidation of 2025. */
export const REGIONS: readonly Region[] = [
    row("ams", "Amsterdam, Netherlands", 52.374, 4.8897, "europe"),
    row("arn", "Stockholm, Sweden", 59.6512, 17.9178, "europe"),
    row("bom", "Mumbai, India", 19.097, 72.8746, "asia_pacific"),
    row("cdg", "Paris, France", 48.8605, 2.3412, "europe"),
    row("dfw", "Dallas, Texas (US)", 32.7787, -96.8217, "north_america"),
    row("ewr", "Secaucus, NJ (US)", 40.7895, -74.0565, "north_america"),
    row("fra", "Frankfurt, Germany", 50.1167, 8.6833, "europe"),
    row("gru", "Sao Paulo, Brazil", -23.5438, -46.4806, "south_america"),
    row("iad", "Ashburn, Virginia (US)", 39.0213, -77.4616, "north_america"),
    row("jnb", "Johannesburg, South Africa", -26.1337, 28.242, "africa"),
    row("lax", "Los Angeles, California (US)", 33.9416, -118.4085, "north_america"),
    row("lhr", "London, United Kingdom", 51.5167, -0.1, "europe"),
    row("nrt", "Tokyo, Japan", 35.6216, 139.7471, "asia_pacific"),
    row("ord", "Chicago, Illinois (US)", 41.8919, -87.6278, "north_america"),
    row("sin", "Singapore, Singapore", 1.3, 103.8, "asia_pacific"),
    row("sjc", "San Jose, California (US)", 37.3531, -121.8939, "north_america"),
    row("syd", "Sydney, Australia", -33.8688, 151.2093, "asia_pacific"),
    row("yyz", "Toronto, Canada", 43.6447, -79.3842, "north_america"),
];

/** Region of a request that names none. */
export const NEAREST = "lhr";

export function isRegion(code: string): boolean {
    return REGIONS.some((region) => region.code === code);
}
