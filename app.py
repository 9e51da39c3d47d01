"""What a Hugging Face Space starts; elsewhere the command `image2model` does the same."""

if __name__ == "__main__":  # worker processes import this file and must not import the page
    from image2model.web.server import main

    main()
