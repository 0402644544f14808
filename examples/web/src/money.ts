// Money is text from end to end: a double would lose what it cannot hold. Intl formats texts exactly.
import type { AssetCode } from './generated';

export interface Money {
  amount: string;
  asset: AssetCode;
}

const DIGITS: Record<AssetCode, number> = { USD: 2, EUR: 2, INR: 2, JPY: 0, SPARK: 6 };
const formats = new Map<AssetCode, Intl.NumberFormat>();

export function shown({ amount, asset }: Money): string {
  let format = formats.get(asset);
  if (!format) {
    format =
      asset === 'SPARK'
        ? new Intl.NumberFormat('en', { maximumFractionDigits: DIGITS[asset] })
        : new Intl.NumberFormat('en', { style: 'currency', currency: asset });
    formats.set(asset, format);
  }
  const text = format.format(amount as Intl.StringNumericLiteral);
  return asset === 'SPARK' ? `${text} SPARK` : text;
}

/** Whether a text is an amount that an asset can have. */
export function isAmount(text: string, asset: AssetCode): boolean {
  const digits = DIGITS[asset];
  return new RegExp(digits ? `^\\d{1,12}(\\.\\d{1,${digits}})?$` : '^\\d{1,12}$').test(text);
}
