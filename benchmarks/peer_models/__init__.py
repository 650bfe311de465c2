"""Forecasters of others, judged by benchmarks/peers.py, in environments of their own, without unrolled.

job           what a peer reads and writes
statistical   AutoETS and AutoARIMA, of statsforecast
trees         gradient-boosted trees on lags and the calendar, of lightgbm
recurrent     GRU and LSTM, of neuralforecast
wheels        public series that installed packages carry, as CSV
"""
