"""`tocsin protocol backtest`: the past decided once more, by the packs in force and with a draft beside."""
